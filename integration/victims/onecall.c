// A library with one site: f is the call whose number is CALL.
#ifndef CALL
#define CALL "110"
#endif
static int data[100];
int *pointer = data; // so that the libraries have the same segments
long f(void)
{
	long result;
	__asm__ volatile("mov $" CALL ", %%eax; syscall" : "=a"(result) : : "rcx", "r11", "memory");
	return result;
}
